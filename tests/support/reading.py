"""Text, links and buttons of a page under test."""

from streamlit.testing.v1 import AppTest


def words(app: AppTest) -> str:
    """Return the text of a page, one line per element; fail if it shows an exception."""
    assert not app.exception, app.exception[0].message
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for kind in kinds for element in kind)


def links(app: AppTest) -> dict[str, str]:
    """Return label → target of the page's own links."""
    protos = [link.proto for link in app.get("page_link")]
    return {proto.label: f"{proto.page}?{proto.query_string}" for proto in protos}


def labels(app: AppTest) -> list[str]:
    """Return the labels of the page's buttons."""
    return [button.label for button in app.button]
