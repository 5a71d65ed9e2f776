/** What the people on call are told of a failure or a recovery. The outlets make a mail or a message of it. */
export type Alarm = {
  /** Names the failure. Of two alarms with the same key whose failures happened within ten minutes, only one is sent. */
  key: string
  /** Keys under which events with less detail may report the same failure. */
  otherKeys: string[]
  /**
   * Names the incident, for services such as PagerDuty that keep incidents. That of a failure has the severity in it (see
   * incidentOf). That of a recovery has none: it stands for the incidents of all `recoveredSeverities`.
   */
  incident: string
  /** The credential as `STORE NAME`, if a later successful rotation of it ends the failure. */
  credential?: string
  /**
   * When the failure or the recovery happened, in milliseconds since 1970. Of a failure that is told daily: when that day began,
   * UTC.
   */
  happenedAt: number
  severity: Severity
  /** What the alarm is about, in full length. */
  title: string
  /** The title in less than 100 characters of printable ASCII, the subject of the mail that SNS sends. */
  subject: string
  /** What happened, in a sentence. */
  headline: string
  facts: [label: string, value: string][]
  /** Path or URL of the runbook's entry. */
  runbook: string
  /** What to do, in a sentence. */
  remedy: string | undefined
  /** The command that shows the credential's status. */
  command: string | undefined
  /** Link to the execution in the console of AWS. */
  console: string | undefined
  /** The name of the execution, if the report of a run tells of its failure too, should a run have started it. */
  reportedExecution?: string
  /**
   * Names a lockout that was there before the rotation. The first alarm about it is critical. Rotations that find the same lockout
   * within 90 days raise errors.
   */
  preexistingKey?: string
  /** Names of what the alarm tells of. The alarm is sent only if one of them was not told on that day. */
  findings?: string[]
  /** Names that count as told on that day once the alarm is sent, but that do not decide whether it is. */
  coveredFindings?: string[]
  /** True if the findings are told once, and not once a day, as long as events report them at least every week. */
  toldOnlyOnce?: true
  /** Whether the topic has this alarm already, because CloudWatch published it there. */
  topicTold: boolean
  /**
   * True for the recovery that the replicas of a credential follow again. It ends only failures of replicas, since the rotation
   * that they followed may be older than another failure.
   */
  replicasFollowed?: true
  /** The severities of the failures that a recovery ends. */
  recoveredSeverities?: Severity[]
}

/** The path or the URL of docs/runbook.md, and the stage and the Region of this stack. */
export type StackInfo = { runbook: string; stage: string; region: string }

/** `ok` is a recovery: the failures of the credential have ended. */
export type Severity = 'critical' | 'error' | 'ok'

/** The key of the incident for failures of one severity: critical failures have an incident of their own. */
export const incidentOf = (name: string, severity: Severity) =>
  `${name}${severity === 'critical' ? ' critical' : ''}`

/** Makes an error of a critical alarm whose lockout has been told as critical before. */
export function downgradeToError({ preexistingKey, title, subject, facts, ...alarm }: Alarm): Alarm {
  const downgrade = (text: string) => text.replace(/^CRITICAL/, 'ERROR')
  return {
    ...alarm,
    severity: 'error',
    incident: alarm.incident.replace(/ critical$/, ''),
    title: downgrade(title),
    subject: downgrade(subject),
    facts: facts.flatMap(([label, value]): [string, string][] =>
      label === 'Severity'
        ? [
            [label, 'error'],
            ['Before', 'told as critical within the last 90 days; what is found has not changed since'],
          ]
        : [[label, value]],
    ),
  }
}

/** The text of the mail that SNS sends of an alarm. */
export function mailTextOf(alarm: Alarm): string {
  const { headline, console } = alarm
  const lines = [...linesOf(alarm), ...(console ? [['Console', console]] : [])]
  return [headline, '', ...lines.map(([label, value]) => `${`${label}: `.padEnd(13)}${value}`), ''].join('\n')
}

/** The lines of a message: what to do, then the facts, then where the runbook explains them. */
export const linesOf = ({ facts, runbook, remedy, command }: Alarm): [string, string][] => [
  ...(remedy ? [['What to do', remedy] satisfies [string, string]] : []),
  ...(command ? [['Command', command] satisfies [string, string]] : []),
  ...facts,
  ['Runbook', runbook],
]
