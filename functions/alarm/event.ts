import * as v from 'valibot'

// Whatever is missing or of another kind is left out: an alarm with less in it is better than none.
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
  // Credential Rotation Failed and Credential Retirement Failed, by statemachines/rotate.asl.json
  severity: text,
  execution: text,
  state: text,
  rotation,
  // Credential Rotated, by the same
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
  // AWS Service Event via CloudTrail, in the two shapes there are
  eventName: text,
  errorMessage: text,
  additionalEventData: part({ SecretId: text }),
  serviceEventDetails: part({ secretId: text }),
  // CloudWatch Alarm State Change. Its `state` is no text.
  alarmName: text,
})
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

export type EventBridgeEvent = NonNullable<v.InferOutput<typeof schema>> & {
  alarm?: NonNullable<v.InferOutput<typeof alarmState>>['detail']
}
export type EventDetail = NonNullable<EventBridgeEvent['detail']>
export type CaughtError = { Error?: string | undefined; Cause?: string | undefined } | undefined

/** An event of one of the rules in resources/alarms.yml, as far as it can be read. Never throws. */
export function readEvent(raw: unknown): EventBridgeEvent {
  return { ...v.parse(schema, raw), alarm: v.parse(alarmState, raw)?.detail }
}

/** What an announcement says, as far as it can be read. */
export const readDetail = (raw: unknown): EventDetail => v.parse(detail, raw) ?? {}

/** A failed function's cause is JSON that holds its message; any other is the message itself. */
export function causeMessageOf(problem: CaughtError): string | undefined {
  const { errorMessage } = v.parse(json(v.object({ errorMessage: text })), problem?.Cause) ?? {}
  return errorMessage ?? problem?.Cause
}
