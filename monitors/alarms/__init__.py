"""What happens to an alarm after it rang: acknowledged, snoozed, cleared, sent on."""
