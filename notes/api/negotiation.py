"""Which representation a client gets (RFC 9110, 12.5.1)."""

from rest_framework.negotiation import DefaultContentNegotiation


class Negotiation(DefaultContentNegotiation):
    """Decides as DRF does, without comparing types for those who accept anything or ask for JSON alone."""

    def select_renderer(self, request, renderers, format_suffix=None):
        accept = request.META.get("HTTP_ACCEPT", "*/*")
        is_plain = accept in {"*/*", "application/json"} and self.settings.URL_FORMAT_OVERRIDE not in request.GET
        if is_plain and not format_suffix and renderers[0].media_type == "application/json":
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)
