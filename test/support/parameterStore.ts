import { randomUUID } from 'node:crypto'
import {
  GetParameterHistoryCommand,
  GetParametersByPathCommand,
  LabelParameterVersionCommand,
  type ParameterHistory,
  PutParameterCommand,
  type PutParameterCommandInput,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { pythonBin } from '../../local/stack/python.ts'
import { ParameterStore } from '../../rotation/stores/parameterStore.ts'
import { credentialWith } from './contracts/store.ts'
import { type Moto, startMoto } from './moto.ts'

/* A moto with Parameter Store for the tests of a file that imports this, and helpers that make and read parameters. */

/** The folder of the Python environment with moto, or undefined if there is none. */
export const bin = await pythonBin()

/** The SDK client's `send`. */
export type Send = (command: {
  constructor: { name: string }
  input: Record<string, unknown>
}) => Promise<unknown>
/** What happens instead of a call. `call` makes the call. */
export type Fault = (
  action: string,
  call: () => Promise<unknown>,
  input: Record<string, unknown>,
) => Promise<unknown>

export let moto: Moto
export let ssmClient: SSMClient
export let store: ParameterStore
/** The actions that the store has called in this test, in order. */
export const calls: string[] = []
/** `each` happens instead of each call of the store, if it is set. */
export const storeFaults: { each?: Fault | undefined } = {}

beforeAll(async () => {
  if (!bin) return
  moto = await startMoto(bin)
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const options = { endpoint: moto.url, region: 'eu-west-1', credentials, maxAttempts: 1 }
  ssmClient = new SSMClient(options)
  const client = new SSMClient(options)
  const send = client.send.bind(client) as unknown as Send
  const faulty: Send = command => {
    const action = command.constructor.name.replace('Command', '')
    calls.push(action)
    const call = () => send(command)
    return storeFaults.each ? storeFaults.each(action, call, command.input) : call()
  }
  client.send = faulty as never
  store = new ParameterStore(client)
})
afterAll(() => moto?.stop())
beforeEach(() => {
  calls.length = 0
  storeFaults.each = undefined
})

export const valueWith = (password: string) => credentialWith(password).serialize()
export const putParameter = (Name: string, input: Partial<PutParameterCommandInput>) =>
  ssmClient.send(new PutParameterCommand({ Name, Value: valueWith('first'), Type: 'SecureString', ...input }))
export const overwriteParameter = (id: string, password: string) =>
  putParameter(id, { Value: valueWith(password), Overwrite: true })
export const labelVersion = (Name: string, ParameterVersion: number, ...Labels: string[]) =>
  ssmClient.send(new LabelParameterVersionCommand({ Name, ParameterVersion, Labels }))

/** Makes a parameter as by hand: version 1, without labels. @returns its name */
export async function makeParameter(input: Partial<PutParameterCommandInput> = {}): Promise<string> {
  const id = `/shop/${randomUUID()}`
  await putParameter(id, input)
  return id
}

/** Makes a parameter with a pending version, as during a rotation. */
export async function makePendingParameter(input: Partial<PutParameterCommandInput> = {}) {
  const [id, token] = [await makeParameter(input), randomUUID()]
  await store.propose(id, token, credentialWith('next'))
  return { id, token }
}

export async function readHistory(id: string): Promise<ParameterHistory[]> {
  const entries: ParameterHistory[] = []
  for (let NextToken: string | undefined; ; ) {
    const query = { Name: id, WithDecryption: true, NextToken }
    const page = await ssmClient.send(new GetParameterHistoryCommand(query))
    entries.push(...(page.Parameters ?? []))
    NextToken = page.NextToken
    if (!NextToken) return entries
  }
}
export const readPasswords = async (id: string) =>
  (await readHistory(id)).map(({ Value = '' }) => JSON.parse(Value).password)
export const readPendingParameters = async (id: string) => {
  const query = { Path: `/keyturn/pending${id}`, WithDecryption: true }
  return (await ssmClient.send(new GetParametersByPathCommand(query))).Parameters ?? []
}

/** Has `done` happen instead of the first call of `action`. */
export function faultOnce(action: string, done: Fault): void {
  let over = false
  storeFaults.each = (name, call, input) => {
    if (over || name !== action) return call()
    over = true
    return done(name, call, input)
  }
}
export const ssmError = (name: string, message = name) =>
  Object.assign(new Error(message), { name, $fault: 'client', $metadata: { requestId: 'r' } })
