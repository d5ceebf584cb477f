"""What is stale for a month and why; running just that.

Belongs here: the plan over recorded versions (``plan``), reading those records (``records``), and the refresh that
follows the plan (``loop``). Does not: how a dataset is made (``assets``) or what its record holds (``storage``).
Dagster's own staleness goes one hop and skips long chains of months; this plan is ours and does neither.
"""
