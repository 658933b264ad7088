"""DiffuMask as a server: an endpoint for the guardrails of gateways, and a proxy in front of a provider."""

from diffumask_integrations.server.app import create_app
from diffumask_integrations.server.settings import Binding, ServerSettings, Shortening

__all__ = ["Binding", "ServerSettings", "Shortening", "create_app"]
