"""The pages for people that belong neither to the API nor to the administration."""

from django.views.generic import TemplateView

from notes import readiness


class StartView(TemplateView):
    template_name = "notes/index.html"

    def get_context_data(self, **kwargs):
        address = f"{self.request.scheme}://{self.request.get_host()}"
        return super().get_context_data(address=address, is_ready=readiness.problem() is None, **kwargs)
