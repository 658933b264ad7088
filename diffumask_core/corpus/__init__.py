"""Corpora: a function of a row over all rows of a file, in blocks, on any number of workers.

data.jsonl --split--> blocks --engine--> workers, each: lines --row function--> part and receipt --> report
"""

from diffumask_core.corpus.compression import RowCompressor
from diffumask_core.corpus.conversations import ConversationCompressor
from diffumask_core.corpus.labels import LabelScorer
from diffumask_core.corpus.local import run_locally
from diffumask_core.corpus.run import CorpusReport, Engine, map_corpus
from diffumask_core.corpus.worker import BlockWorker, Row, RowFunction

__all__ = [
    "BlockWorker",
    "ConversationCompressor",
    "CorpusReport",
    "Engine",
    "LabelScorer",
    "Row",
    "RowCompressor",
    "RowFunction",
    "map_corpus",
    "run_locally",
]
