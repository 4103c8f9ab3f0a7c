"""The local web page, `finexl serve`: an app that other servers can mount or run as well.

create_app(settings) -> FastAPI        finexl.web.app; needs the [web] extra
Settings, Limits                       finexl.web.settings
"""
