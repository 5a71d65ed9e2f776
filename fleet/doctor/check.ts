import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch'
import type { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { SchedulerClient } from '@aws-sdk/client-scheduler'
import type { SNSClient } from '@aws-sdk/client-sns'
import type { SQSClient } from '@aws-sdk/client-sqs'
import type { SSMClient } from '@aws-sdk/client-ssm'
import { isTemporary } from '../../rotation/callAws.ts'

/** What is looked at, in the order in which it is told: one, several, and what is said of all that are well. */
export const CHECK_KINDS = {
  version: ['stack', 'stacks', 'of the same version as this command'],
  peer: ['peer', 'peers', 'of the same version, with the same settings'],
  rule: ['rule', 'rules', 'enabled'],
  schedule: ['schedule', 'schedules', 'enabled'],
  function: ['function', 'functions', 'able to run, on a runtime that AWS supports'],
  errors: ['function', 'functions', 'without an error in the last 24 hours'],
  reader: ['reader of a queue', 'readers of queues', 'enabled'],
  queue: ['queue', 'queues', 'empty'],
  topic: ['topic', 'topics', 'with a subscriber'],
  webhook: ['webhook', 'webhooks', 'there'],
  alarm: ['alarm', 'alarms', 'quiet'],
} as const satisfies Record<string, [one: string, many: string, well: string]>
export type CheckKind = keyof typeof CHECK_KINDS

/** What --fix can do: nothing but to enable a rule or a schedule of the stack. */
export type CheckFix = { rule: string; bus?: string } | { schedule: string }

/** How one thing of the deployment is. `unread`: it could not be looked at, and `says` why. */
export type Check = {
  kind: CheckKind
  /** Its name. */
  about: string
  state: 'ok' | 'warning' | 'failed' | 'unread'
  /** In one sentence without its subject, such as `is disabled`. Empty if all is well. */
  says: string
  /** A command to paste, or a sentence. */
  remedy?: string
  fix?: CheckFix
}

/** The deployment that is looked at, and when, in ISO 8601 by AWS's clock. */
export type ExaminedStack = { region: string; stage: string; moment: string; outputs: Record<string, string> }

export type DoctorClients = {
  events: EventBridgeClient
  scheduler: SchedulerClient
  lambda: LambdaClient
  sns: SNSClient
  sqs: SQSClient
  cloudWatch: CloudWatchClient
  ssm: SSMClient
}

export const okCheck = (kind: CheckKind, about: string): Check => ({ kind, about, state: 'ok', says: '' })

/** For what has gone, or is as no deployment leaves it. A parameter that is left out would go back to its default. */
export const deployAgainRemedy = ({ stage }: Pick<ExaminedStack, 'stage'>): string =>
  `Deploy again, with the same parameters as before: npx serverless deploy --stage ${stage}`

/**
 * What a look at something finds. What is not there has failed; what cannot be read is said to be unread.
 * @throws what is no error of a call
 */
export async function runCheck(
  kind: CheckKind,
  about: string,
  place: ExaminedStack,
  look: () => Promise<Check[]>,
): Promise<Check[]> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof Error) || !('$fault' in error || isTemporary(error))) throw error
    const { name, message } = error
    if (/^(ResourceNotFound|NotFound|QueueDoesNotExist|.*NonExistentQueue)/.test(name))
      return [{ kind, about, state: 'failed', says: 'is not there', remedy: deployAgainRemedy(place) }]
    return [{ kind, about, state: 'unread', says: `could not be read: ${name}: ${message}`.slice(0, 600) }]
  }
}
