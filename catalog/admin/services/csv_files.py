"""Services as CSV files in the admin: export of the list, import of margins and names."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget

from catalog.admin.price_changes import show_or_apply
from catalog.models import PriceChange, Service
from catalog.prices.csv_format import FileRefused
from catalog.prices.csv_import import edits_of_file, write_services
from panel.lib.admin.base import ModelAdmin
from panel.lib.csv_files import csv_response

# Maximum bytes of a file: some 30,000 services.
MAX_FILE = 5 * 1024 * 1024


class FileForm(forms.Form):
    """A file of margins and names."""

    file = forms.FileField(label="CSV file", widget=UnfoldAdminFileFieldWidget)

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MAX_FILE:
            raise forms.ValidationError("The file is larger than 5 MB. Split it. Nothing was changed.")
        return file


class ServiceFiles(ModelAdmin):
    """Export of the list or of a selection, and import."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export_view), name="catalog_service_export"),
            path("import/", wrap(self.import_view), name="catalog_service_import"),
            *super().get_urls(),
        ]

    @action(description="Export as CSV", permissions=["change"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Service]) -> HttpResponseBase:
        return _download(queryset)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Export the list as filtered and sorted, all pages of it."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        try:
            return _download(self.get_changelist_instance(request).queryset)
        except IncorrectLookupParameters:
            messages.error(request, "The filters of the list could not be read. Nothing was exported.")
            return redirect(_list_url())

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Read a file and redirect to the preview of its changes."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = FileForm(*(request.POST, request.FILES) if request.method == "POST" else ())
        refused: FileRefused | None = None
        if form.is_valid():
            try:
                return self._hand_over(request, form.cleaned_data["file"])
            except FileRefused as error:
                refused = error
        context = {
            **self.admin_site.each_context(request),
            "title": "Import margins and names",
            "opts": self.opts,
            "form": form,
            "refused": refused,
            "back": _list_url(),
        }
        return TemplateResponse(request, "admin/catalog/service_import.html", context)

    def _hand_over(self, request: HttpRequest, file: UploadedFile) -> HttpResponse:
        """Redirect to the preview of the file. Raise FileRefused."""
        edits = edits_of_file(data=file.read())
        if not edits:
            messages.info(request, "The file says what is stored already. Nothing was changed.")
            return redirect(_list_url())
        count = sum(len(edit.pks) for edit in edits)
        noun = "service" if count == 1 else "services"
        summary = f"File {(file.name or '')[:100]}: {count:,} {noun}"
        return show_or_apply(
            request=request, edits=edits, source=PriceChange.Source.FILE, summary=summary, back=_list_url()
        )


def _download(services: QuerySet[Service]) -> StreamingHttpResponse:
    return csv_response(name="services", lines=write_services(services=services))


def _list_url() -> str:
    return reverse("admin:catalog_service_changelist")
