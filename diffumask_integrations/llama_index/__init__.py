"""DiffuMask in LlamaIndex: retrieved nodes, chat memory."""

from diffumask_integrations.llama_index.events import CompressionEndEvent, CompressionStartEvent
from diffumask_integrations.llama_index.memory import DiffuMaskMemoryBlock
from diffumask_integrations.llama_index.postprocessor import DiffuMaskNodePostprocessor

__all__ = ["CompressionEndEvent", "CompressionStartEvent", "DiffuMaskMemoryBlock", "DiffuMaskNodePostprocessor"]
