"""The tool with which an agent reads what was left out of the conversation that it is shown."""

from collections.abc import Callable
from typing import Annotated, Any

from diffumask_core import MarkError
from diffumask_core.conversation.left_out import READ_LEFT_OUT
from diffumask_core.extras import needs_extra

with needs_extra("langchain-agents"):
    from langchain.tools import InjectedState
    from langchain_core.tools import BaseTool, StructuredTool, ToolException


def left_out_tool(restore: Callable[[list[Any], str], str]) -> BaseTool:
    """Makes the tool.

    Args:
        restore: From the messages of the agent's state and a mark to what the mark stands for.
    """

    def read_left_out(mark: str, messages: Annotated[list[Any], InjectedState("messages")]) -> str:
        """Reads what was left out of earlier messages under a mark such as [… 12 lines left out, #3fa9c2].

        Args:
            mark: The name in the mark, such as #3fa9c2.
            messages: The conversation.
        """
        try:
            return restore(messages, mark)
        except MarkError as error:
            raise ToolException(str(error)) from error

    return StructuredTool.from_function(
        read_left_out,
        name=READ_LEFT_OUT,
        description="Reads what was left out of earlier messages under a mark such as [… 12 lines left out, #3fa9c2].",
        handle_tool_error=True,
    )
