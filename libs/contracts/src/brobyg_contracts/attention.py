"""The words of what needs a human that people choose from; see `AttentionOutcome`."""

#: How a human may settle an item. Only a service itself says `no_longer_so`.
ATTENTION_OUTCOMES = frozenset(
    {
        "solved_by_phone",
        "helper_found",
        "called_off",
        "company_not_needed",
        "duplicate",
        "other",
    }
)
