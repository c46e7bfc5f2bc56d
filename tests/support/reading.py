"""Reading a page as a visitor does."""

from streamlit.testing.v1 import AppTest


def words(app: AppTest) -> str:
    """Return everything that a page says, one element a line; fail where it shows an exception."""
    assert not app.exception, app.exception[0].message
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for kind in kinds for element in kind)


def links(app: AppTest) -> dict[str, str]:
    """Return where the page's own links lead."""
    told = [link.proto for link in app.get("page_link")]
    return {link.label: f"{link.page}?{link.query_string}" for link in told}


def labels(app: AppTest) -> list[str]:
    """Return what the page's buttons say."""
    return [button.label for button in app.button]
