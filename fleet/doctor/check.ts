import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch'
import type { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { SchedulerClient } from '@aws-sdk/client-scheduler'
import type { SNSClient } from '@aws-sdk/client-sns'
import type { SQSClient } from '@aws-sdk/client-sqs'
import type { SSMClient } from '@aws-sdk/client-ssm'
import { isTemporary } from '../../rotation/callAws.ts'

/** The kinds of things that are checked, in the report's order: what one and several are called, and what is said if all are ok. */
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
/** A key of CHECK_KINDS. */
export type CheckKind = keyof typeof CHECK_KINDS

/** What `keyturn doctor --fix` can do: enable a rule or a schedule of the stack. */
export type CheckFix = { rule: string; bus?: string } | { schedule: string }

/** What was found of one thing of the deployment. `unread`: it could not be looked at, and `says` tells why. */
export type Check = {
  kind: CheckKind
  /** The name of the thing. */
  about: string
  state: 'ok' | 'warning' | 'failed' | 'unread'
  /** What is wrong, as a sentence without its subject, such as `is disabled`. Empty if nothing is wrong. */
  says: string
  /** What to do about it: a command to paste, or a sentence. */
  remedy?: string
  fix?: CheckFix
}

/** The stack that is examined. `moment` is the time of the examination by AWS's clock, in ISO 8601. */
export type ExaminedStack = { region: string; stage: string; moment: string; outputs: Record<string, string> }

/** The clients by which a stack is examined. */
export type DoctorClients = {
  events: EventBridgeClient
  scheduler: SchedulerClient
  lambda: LambdaClient
  sns: SNSClient
  sqs: SQSClient
  cloudWatch: CloudWatchClient
  ssm: SSMClient
}

/** The check of a thing with which nothing is wrong. */
export const okCheck = (kind: CheckKind, about: string): Check => ({ kind, about, state: 'ok', says: '' })

/**
 * What to do about a resource that is gone, or is as no deployment leaves it. It asks for the same parameters: one that is left out
 * of a deployment gets its default.
 */
export const deployAgainRemedy = ({ stage }: Pick<ExaminedStack, 'stage'>): string =>
  `Deploy again, with the same parameters as before: npx serverless deploy --stage ${stage}`

/**
 * Runs a check. If its call finds that the thing is not there, the check has failed; if the call fails otherwise, it is `unread`.
 * @throws an error of `look` that is not one of a call to AWS
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
