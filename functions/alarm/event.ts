import * as v from 'valibot'

// Every field is optional, and one of the wrong type is dropped: an alarm with fewer facts is better than none.
const text = v.fallback(v.optional(v.pipe(v.string(), v.nonEmpty())), undefined)
const part = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.fallback(v.optional(v.object(entries)), undefined)
const json = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.fallback(v.optional(v.pipe(v.string(), v.parseJson(), schema)), undefined)

const problem = part({ Error: text, Cause: text })
const count = v.fallback(v.number(), 0)
const flag = v.fallback(v.optional(v.boolean()), undefined)
const names = v.fallback(
  v.pipe(
    v.array(v.unknown()),
    v.transform(all => all.filter(one => typeof one === 'string')),
  ),
  [],
)
const kind = v.object({ error: text, reason: text, severity: text, count, names })
const kinds = v.fallback(v.array(v.fallback(v.optional(kind), undefined)), [])
const rotation = part({
  store: text,
  id: text,
  replaces: text,
  failure: problem,
  lockout: problem,
  retirement: problem,
  replication: problem,
  rollback: part({ outcome: text }),
})
const detail = part({
  // Credential Rotation Failed, Retirement Failed (with `state`) and Replicas Behind, by statemachines/rotate.asl.json
  severity: text,
  execution: text,
  state: text,
  rotation,
  // Credential Rotated and Credential Replicated, by statemachines/rotate.asl.json
  store: text,
  id: text,
  // Credential Rotations Failed, by statemachines/rotate-server.asl.json
  group: text,
  report: part({ host: text, rotated: count, failed: count, parked: count, failures: kinds }),
  // Credentials Late, by statemachines/rotate-due.asl.json
  late: part({ count, names, behind: flag, promoted: flag }),
  // Promotion Finished and Promotion Not Ready, by statemachines/promote.asl.json
  promotion: part({
    from: text,
    unknown: count,
    failed: part({ count, names }),
    news: part({ count, names }),
  }),
  // Step Functions Execution Status Change
  executionArn: text,
  status: text,
  error: text,
  cause: text,
  stateMachineArn: text,
  input: json(v.object({ store: text, id: text })),
  // AWS Service Event via CloudTrail, from Secrets Manager: the secret is in one of the last two fields
  eventName: text,
  errorMessage: text,
  additionalEventData: part({ SecretId: text }),
  serviceEventDetails: part({ secretId: text }),
  // CloudWatch Alarm State Change; alarmState below has the rest
  alarmName: text,
})
/** The event of a CloudWatch alarm, whose `state` is an object, while that of other events is a text. */
const alarmState = part({
  detail: part({
    state: part({ value: text, reason: text, timestamp: text }),
    configuration: part({ description: text }),
  }),
})
const schema = part({
  id: text,
  source: text,
  'detail-type': text,
  account: text,
  region: text,
  time: text,
  detail,
})

/** An event of EventBridge, as far as it can be read. `alarm` is the detail of a CloudWatch alarm's event. */
export type EventBridgeEvent = NonNullable<v.InferOutput<typeof schema>> & {
  alarm?: NonNullable<v.InferOutput<typeof alarmState>>['detail']
}
/** The detail of an event, with the fields of all types of events. */
export type EventDetail = NonNullable<EventBridgeEvent['detail']>
/** An error as a Catch of a state machine writes it into the state. */
export type CaughtError = { Error?: string | undefined; Cause?: string | undefined } | undefined

/** Reads an event of one of the rules in resources/alarms.yml, as far as it can be read. It never throws. */
export function readEvent(raw: unknown): EventBridgeEvent {
  return { ...v.parse(schema, raw), alarm: v.parse(alarmState, raw)?.detail }
}

/** Reads the detail of an announcement, as far as it can be read. It never throws. */
export const readDetail = (raw: unknown): EventDetail => v.parse(detail, raw) ?? {}

/**
 * The message of a caught error. Its Cause is JSON with the message in it if a Lambda function failed, and else the message itself.
 */
export function causeMessageOf(problem: CaughtError): string | undefined {
  const { errorMessage } = v.parse(json(v.object({ errorMessage: text })), problem?.Cause) ?? {}
  return errorMessage ?? problem?.Cause
}
