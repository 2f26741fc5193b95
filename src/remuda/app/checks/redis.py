"""Redis: does it answer?"""

from remuda.app.checks.finding import Finding, ok, warn
from remuda.app.settings import Settings


async def check_redis(settings: Settings) -> list[Finding]:
    """Whether it does, where one is set. A gateway works without it."""
    if settings.redis_url is None:
        return []
    try:
        # Only imported where it is wanted: it need not be installed.
        from remuda.store.fanout_redis import ping
    except ImportError as error:
        return [warn("redis", f"redis_url needs {error.name}", "pip install 'remuda[redis]'")]
    try:
        version = await ping(settings.redis_url.get_secret_value())
    except OSError as error:
        return [warn("redis", f"it does not answer: {error}", "see that it runs, and that redis_url is its address")]
    return [ok("redis", f"Redis {version} answers")]
