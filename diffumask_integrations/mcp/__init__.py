"""DiffuMask as tools of an agent, over the Model Context Protocol."""

from diffumask_integrations.mcp.server import Statistics, create_mcp_server

__all__ = ["Statistics", "create_mcp_server"]
