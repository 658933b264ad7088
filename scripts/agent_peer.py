"""Shortens conversations with another package, inside an environment of its own; `agent_peers.py` starts this program.

    python agent_peer.py litellm < requests > replies

A line of standard input is a request: `messages` in the OpenAI chat format, `old`, the indices of old results of tools,
`query`, what these are read for, and `shares`, how much of them is to stay. The reply, a line too, has for each share
the messages and the seconds.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

Messages = list[dict[str, Any]]


def litellm(messages: Messages, old: Sequence[int], query: str, share: float) -> Messages:
    """LiteLLM: messages by BM25 for the last user message, the last one cut, the others a stub."""
    from litellm.compression.compress import compress
    from litellm.litellm_core_utils.token_counter import token_counter

    target = share * sum(token_counter(model="gpt-4o", text=message.get("content") or "") for message in messages)
    shortened = compress(messages, model="gpt-4o", compression_trigger=0, compression_target=int(target))
    return list(shortened["messages"])


def headroom(messages: Messages, old: Sequence[int], query: str, share: float) -> Messages:
    """Headroom as a whole, without the model that it would download."""
    from headroom.compress import CompressConfig, compress

    config = CompressConfig(kompress_model="disabled", target_ratio=share, compress_system_messages=False)
    return list(compress(messages, model="gpt-4o", config=config).messages)


def headroom_text(messages: Messages, old: Sequence[int], query: str, share: float) -> Messages:
    """Headroom's crusher of texts, on each old result."""
    from headroom.transforms.text_crusher import TextCrusher

    crusher = TextCrusher()
    shortened = [dict(message) for message in messages]
    for number in old:
        shortened[number]["content"] = crusher.compress(shortened[number]["content"], query, share).compressed
    return shortened


def distil(messages: Messages, old: Sequence[int], query: str, share: float) -> Messages:
    """Distil's digests, which choose their own share."""
    from distil import compress_messages

    return list(compress_messages(messages).messages)


PEERS: dict[str, Callable[[Messages, Sequence[int], str, float], Messages]] = {
    "litellm": litellm,
    "headroom": headroom,
    "headroom text": headroom_text,
    "distil": distil,
}


def main() -> None:
    """Answers each request."""
    shorten = PEERS[sys.argv[1]]
    # What a package prints is no reply.
    replies, sys.stdout = sys.stdout, sys.stderr
    warm = False
    for line in sys.stdin:
        asked = json.loads(line)
        if not warm:
            # What is imported at the first call is no part of any other.
            warm = bool(shorten(asked["messages"], asked["old"], asked["query"], asked["shares"][0]))
        reply = []
        for share in asked["shares"]:
            began = time.perf_counter()
            messages = shorten(asked["messages"], asked["old"], asked["query"], share)
            reply.append({"messages": messages, "seconds": time.perf_counter() - began})
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
