import { arnOf } from '../../local/embedded/stateMachine.ts'
import type { CheckLine, CheckResult } from '../../rotation/check/line.ts'
import type { Account } from './account.ts'

type Input = { store: string; id: string; admin?: string }
/** How an execution ends: its output, or a failure. */
type Ended = object | Failure
/** The end of an execution that fails. */
export class Failure {
  readonly error: string
  readonly message: string
  constructor(error: string, message: string) {
    this.error = error
    this.message = message
  }
}

/** Outputs of the stack that these executions need. */
export const stackOutputs = {
  CheckStateMachineArn: arnOf('states', 'stateMachine:keyturn-local-check'),
  SetAdminStateMachineArn: arnOf('states', 'stateMachine:keyturn-local-set-admin'),
  RotationTableName: 'keyturn-local-rotations',
}

/** The executions of check and set-admin in an account: how each ends, and the inputs that they had. */
export type PlayedExecutions = {
  check: (input: Input) => Ended | Promise<Ended>
  setAdmin: (input: Input) => Ended | Promise<Ended>
  /** Whether executions never end. */
  hangs: boolean
  /** The items of the table of rotations. */
  records: object[]
  inputs: { machine: 'check' | 'set-admin'; input: Input }[]
}

/** Has an account play these executions, which succeed unless a test changes that. */
export function playExecutions(account: Account): PlayedExecutions {
  const ends = new Map<string, Ended>()
  const played: PlayedExecutions = {
    check: input => checkReportOf(input),
    setAdmin: ({ store, id }) => ({ store, id, outcome: 'set', version: 'v2' }),
    hangs: false,
    records: [],
    inputs: [],
  }
  account.answer = async (action, request) => {
    if (action === 'Query') return { Items: played.records, Count: played.records.length }
    if (action === 'StartExecution') {
      const machine = /-local-(check|set-admin)$/.exec(`${request.stateMachineArn}`)?.[1] as
        | 'check'
        | 'set-admin'
      if (!machine) return undefined
      const input = JSON.parse(`${request.input}`)
      played.inputs.push({ machine, input })
      const executionArn = arnOf('states', `execution:keyturn-local-${machine}:${ends.size}`)
      ends.set(executionArn, await (machine === 'check' ? played.check(input) : played.setAdmin(input)))
      return { executionArn, startDate: 0 }
    }
    const end = action === 'DescribeExecution' ? ends.get(`${request.executionArn}`) : undefined
    if (!end) return undefined
    if (played.hangs) return { status: 'RUNNING' }
    if (!(end instanceof Failure)) return { status: 'SUCCEEDED', output: JSON.stringify(end) }
    const { error, message } = end
    return { status: 'FAILED', error, cause: JSON.stringify({ errorType: error, errorMessage: message }) }
  }
  return played
}

/** @returns the report of a check in which all is well except these lines */
export function checkReportOf(
  { store, id }: Pick<Input, 'store' | 'id'>,
  ...lines: CheckLine[]
): CheckResult {
  const well: CheckLine[] = [
    { line: 'tags', state: 'ok', says: 'the tags are ones that Keyturn knows' },
    { line: 'value', state: 'ok', says: 'engine, host, username and password are there' },
    { line: 'login', state: 'ok', says: 'user shop logs in' },
  ]
  const all = well.map(line => lines.find(other => other.line === line.line) ?? line)
  const others = lines.filter(({ line }) => !well.some(other => other.line === line))
  const states = lines.map(({ state }) => state)
  const result = states.includes('failed') ? 'failed' : states.includes('warning') ? 'warning' : 'ok'
  const more = { strategy: 'single-user', user: 'shop', address: 'db.example.com:5432' } as const
  return { store: store as CheckResult['store'], id, ...more, result, lines: [...all, ...others] }
}
