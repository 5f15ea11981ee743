"""Who writes through the admin."""

from notes.models import Writer


def writer(request):
    return Writer(id=f"staff:{request.user.pk}", name=request.user.get_username(), request_id=request.id)
