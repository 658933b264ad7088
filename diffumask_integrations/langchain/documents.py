"""Retrieved documents within a token budget."""

import copy
import logging
import math
from collections.abc import Sequence
from numbers import Real

from diffumask_core import Prompt, Shot
from diffumask_integrations.extras import needs_extra
from diffumask_integrations.settings import CompressionSettings

with needs_extra("langchain"):
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document

logger = logging.getLogger("diffumask")


class DiffuMaskDocumentCompressor(CompressionSettings, BaseDocumentCompressor):
    """Shortens retrieved documents for a query, within one budget over all of them.

    Documents that are of little use for the query are left out, the others are shortened in their order. Their ids
    and metadata stay. A reranker's ``relevance_score`` in the metadata counts beside the model's own.

    Example:
        ```python
        retriever = ContextualCompressionRetriever(
            base_compressor=DiffuMaskDocumentCompressor(target_tokens=1000), base_retriever=vector_store.as_retriever()
        )
        ```
    """

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Shortens documents.

        Args:
            documents: What was retrieved; the documents stay as they are. One without text comes out as it is.
            query: What they were retrieved for. When it is empty, they are shortened for no query in particular.
            callbacks: Not used.

        Returns:
            Those that are left: shortened copies, and the documents themselves where nothing went.
        """
        shots = [Shot(each.page_content, score=_score(each)) for each in documents if each.page_content.strip()]
        if not shots:
            return list(documents)
        if not query.strip():
            logger.warning("The query is empty: the documents are compressed without one.")
        # The query is not among the documents: words of theirs that equal it need no protection.
        options = self.options(query=query, compress_query=True)
        results = iter(self.get_compressor().compress(Prompt(shots=shots), **options).shots)
        left = []
        for document in documents:
            text = next(results).text if document.page_content.strip() else document.page_content
            if text == document.page_content:
                left.append(document)
            elif text:
                update = {"page_content": text, "metadata": copy.copy(document.metadata)}
                left.append(document.model_copy(update=update))
        return left


def _score(document: Document) -> float | None:
    score = (document.metadata or {}).get("relevance_score")
    return float(score) if isinstance(score, Real) and math.isfinite(score) else None
