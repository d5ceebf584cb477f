"""What starts a month by itself."""

import dagster as dg

from coupang_assets.months import KEY_FORMAT, SEOUL
from coupang_assets.settings import Settings


def monthly_schedule(settings: Settings, job_name: str) -> dg.ScheduleDefinition:
    """Starts the open work month early in the month, when the data month is whole. Off until a person turns it on."""

    @dg.schedule(
        name="monthly",
        job_name=job_name,
        cron_schedule=f"0 6 {settings.schedule_day} * *",
        execution_timezone=str(SEOUL),
        description="Runs the new work month on its first days, 06:00 Seoul.",
    )
    def monthly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        month = context.scheduled_execution_time.astimezone(SEOUL).strftime(KEY_FORMAT)
        return dg.RunRequest(run_key=month, partition_key=month)

    return monthly
