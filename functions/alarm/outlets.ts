/** Where alarms are sent to: the topic of SNS, and the webhook. */
export const OUTLETS = ['topic', 'webhook'] as const
/** Where an alarm is sent to. */
export type Outlet = (typeof OUTLETS)[number]

/** For each outlet, the attribute of a ledger's item that says whether the outlet has the alarm. */
export const TOLD_ATTRIBUTES = { topic: 'toldTopic', webhook: 'toldWebhook' } satisfies Record<Outlet, string>
