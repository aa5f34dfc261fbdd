"""Those who take money, as the settings name them."""

from app.core.clock import SystemClock
from app.payments.providers.desk import Desk
from app.payments.providers.protocol import Provider
from app.payments.providers.sandbox import Sandbox
from app.settings import Settings


def providers_of(settings: Settings, key: bytes) -> dict[str, Provider]:
    """Each by its name; nothing is asked of them yet. Whoever made them closes them.

    ``key``: the installation's own, for those who need a secret that nobody has given them.
    """
    opened: list[Provider] = []
    if "desk" in settings.payments:
        opened.append(Desk())
    if "sandbox" in settings.payments:
        opened.append(Sandbox(settings.data_dir / "sandbox.db", [key.hex()], SystemClock()))
    if "stripe" in settings.payments:
        # Its library takes a quarter of a second to load: only who uses it waits for that.
        from app.payments.providers.stripe import API_BASE, Stripe

        base = settings.stripe_api_base or API_BASE
        opened.append(Stripe(settings.stripe_api_key, settings.stripe_webhook_secrets, api_base=base))
    return {provider.name: provider for provider in opened}
