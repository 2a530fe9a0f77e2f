"""Views of what citizens asked for and agreed to, beside the help itself."""

from collections.abc import Mapping

from brobyg_reporting.adapters.view_parts import View

CITIZEN_VIEWS: Mapping[str, View] = {
    "citizen": View(
        """
        select c.*, coalesce(e.acknowledged_by, '{{}}') as acknowledged_by
        from {v}.citizen c
        left join (
            select person_id, array_agg(service order by service) as acknowledged_by
            from {v}.erasure_acknowledgement group by 1
        ) e on e.person_id = c.citizen_id
        """,
        "One row a citizen whose processing was restricted or who was erased.",
        {"acknowledged_by": "Services that said that they erased what they had."},
    ),
    "research_consent": View(
        """
        select w.citizen_id, w.research, w.research_at, w.referrals,
            w.research = 'given' and c.restricted_at is null and c.erased_at is null
                as may_be_counted
        from (
            -- The latest word; of two at one time the no.
            select distinct on (citizen_id) citizen_id, research, research_at,
                count(*) over (partition by citizen_id) as referrals
            from {v}.referral where citizen_id is not null
            order by citizen_id, research_at desc nulls last, research desc
        ) w left join {v}.citizen c on c.citizen_id = w.citizen_id
        """,
        "One row a citizen who was referred: whether research may count them.",
        {
            "citizen_id": "Opaque id of the citizen.",
            "research": (
                "none, given or withdrawn: the citizen's latest word, at whichever referral."
            ),
            "research_at": "When that was told, UTC; null for none.",
            "referrals": "Referrals of the citizen.",
            "may_be_counted": (
                "Whether it is given, and the citizen is neither restricted nor erased."
            ),
        },
    ),
    "erasure_acknowledgement": View(
        "select * from {v}.erasure_acknowledgement",
        "One row a service's word that it erased what it had of a person.",
    ),
}
