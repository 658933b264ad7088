"""Retrieved documents within a token budget."""

import copy
from collections.abc import Sequence

from diffumask_core.extras import needs_extra
from diffumask_integrations.settings import CompressionSettings

with needs_extra("langchain"):
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document


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
        texts = [document.page_content for document in documents]
        scores = [(document.metadata or {}).get("relevance_score") for document in documents]
        shortened, _ = self.compress_passages(texts, scores, query)
        left = []
        for document, text in zip(documents, shortened, strict=True):
            if text == document.page_content:
                left.append(document)
            elif text:
                update = {"page_content": text, "metadata": copy.copy(document.metadata)}
                left.append(document.model_copy(update=update))
        return left
