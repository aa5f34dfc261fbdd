"""Orders that no provider can carry out, whoever is asked and however often: a fault of whoever ordered."""


class OtherCharge(ValueError):
    """The identifier stands for another amount, currency or charge already: nothing was done."""


class OddAmount(ValueError):
    """An amount that can't be charged or given back in this currency: nothing was done."""
