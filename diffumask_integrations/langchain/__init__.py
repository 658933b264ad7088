"""DiffuMask in LangChain: chains, retrieval, few-shot examples, prompt templates, agents; chat models as readers."""

from typing import TYPE_CHECKING, Any

from diffumask_integrations.langchain.compressor import DiffuMaskCompressor
from diffumask_integrations.langchain.documents import DiffuMaskDocumentCompressor
from diffumask_integrations.langchain.examples import DiffuMaskExampleSelector
from diffumask_integrations.langchain.reader import ChatModelReader
from diffumask_integrations.langchain.templates import compress_template

if TYPE_CHECKING:
    from diffumask_integrations.langchain.middleware import DiffuMaskMiddleware

__all__ = [
    "ChatModelReader",
    "DiffuMaskCompressor",
    "DiffuMaskDocumentCompressor",
    "DiffuMaskExampleSelector",
    "DiffuMaskMiddleware",
    "compress_template",
]


def __getattr__(name: str) -> Any:
    """Imports the middleware when it is asked for, since it needs an extra of its own."""
    if name == "DiffuMaskMiddleware":
        from diffumask_integrations.langchain.middleware import DiffuMaskMiddleware

        return DiffuMaskMiddleware
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
