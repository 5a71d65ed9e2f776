import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deployed, type Template } from './package.ts'

/** A statement of a role's policy, with the members that the tests read. */
export type Statement = {
  Sid: string
  Effect: string
  Action: string | string[]
  Condition?: Record<string, Record<string, string | string[]>>
}

/** @returns the statements of a function's role that allow something */
export function statementsOf(template: Template, name: string): Statement[] {
  type Policy = { PolicyDocument: { Statement: Statement[] } }
  const role = `${name[0]?.toUpperCase()}${name.slice(1)}Role`
  const policies = deployed(template).Resources[role]?.Properties.Policies as Policy[]
  return policies
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .filter(({ Effect }) => Effect === 'Allow')
}

/** @returns the actions that a function's role allows in the statements that `of` picks, without those of logs and traces */
export function allowedActions(
  template: Template,
  name: string,
  of: (statement: Statement) => boolean,
): string[] {
  const actions = statementsOf(template, name)
    .filter(of)
    .flatMap(({ Action }) => Action)
  return [...new Set(actions)].filter(action => !/^(logs|xray):/.test(action)).sort()
}

/** The prefix of a service's IAM actions, by the service's name in `x-amz-target`. */
const services: Record<string, string> = {
  AmazonSSM: 'ssm',
  DynamoDB_20120810: 'dynamodb',
  AWSStepFunctions: 'states',
  ResourceGroupsTaggingAPI_20170126: 'tag',
  secretsmanager: 'secretsmanager',
}

/**
 * Starts a server that passes calls on to `url` and adds them to `recorded` as IAM actions, with " of pending" for a pending
 * value in Parameter Store. `fail` has the next call of an action fail.
 */
export async function recordCalls(url: string, recorded: string[]) {
  let failing: string | undefined
  const server = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray()).toString()
    const { call, action } = callIn(`${incoming.headers['x-amz-target'] ?? ''}`, body)
    recorded.push(call)
    const fails = failing === action
    if (fails) failing = undefined
    const headers = incoming.headers as Record<string, string>
    const answer = fails ? undefined : await fetch(url, { method: 'POST', headers, body })
    const type = answer?.headers.get('content-type') ?? 'application/x-amz-json-1.1'
    outgoing.writeHead(answer?.status ?? 500, { 'content-type': type })
    outgoing.end(answer ? await answer.text() : '{"__type":"InternalServerError"}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fail(action: string) {
      failing = action
    },
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** @returns a call as an IAM action. Calls without a target are RDS's. */
function callIn(target: string, body: string): { call: string; action: string | undefined } {
  const [service = '', action] = target.split('.')
  if (!action) {
    const called = new URLSearchParams(body).get('Action') ?? undefined
    return { call: `rds:${called}`, action: called }
  }
  const { Name, Names = [], Path, ResourceId } = JSON.parse(body)
  const name: string = Name ?? Names[0] ?? Path ?? ResourceId ?? ''
  const pending = name.startsWith('/keyturn/pending/') ? ' of pending' : ''
  return { call: `${services[service]}:${action}${pending}`, action }
}
