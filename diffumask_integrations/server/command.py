"""``diffumask serve``: loads the model and listens until it is told to stop."""

import logging

from diffumask_core import Compressor
from diffumask_core.extras import needs_extra
from diffumask_integrations.server.app import create_app
from diffumask_integrations.server.settings import Binding, ServerSettings

with needs_extra("server", "the server"):
    import uvicorn

# An answer that streams may end; then the server ends all the same.
_GRACE_SECONDS = 30


def serve(settings: ServerSettings, binding: Binding, model: str | None = None) -> None:
    """Serves until a signal to stop comes; requests that are under way may end.

    Args:
        settings: How it works.
        binding: Where it listens.
        model: A model folder or a hub id; the bundled model by default.

    Raises:
        InputError: Anyone could use the server, and nobody said so; nothing can listen there; or an option is not
            possible.
        ModelError: The model cannot be loaded.
    """
    binding.check(settings.token)
    # Several compressions run at once, so each has one thread.
    app = create_app(Compressor.from_pretrained(model, threads=1), settings)
    logging.getLogger("diffumask.server").setLevel(logging.INFO)
    uvicorn.run(
        app,
        host=binding.host,
        port=binding.port,
        # Lines of access logs would hold the query of a request, and some clients put keys there.
        access_log=False,
        log_config=None,
        log_level="info",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
