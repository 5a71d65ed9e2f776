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
import { credential } from './contracts/store.ts'
import { type Moto, startMoto } from './moto.ts'

export const bin = await pythonBin()

/** Calls that the store makes, and what happens to them. */
export type Send = (command: {
  constructor: { name: string }
  input: Record<string, unknown>
}) => Promise<unknown>
export type Fault = (
  action: string,
  call: () => Promise<unknown>,
  input: Record<string, unknown>,
) => Promise<unknown>

export let moto: Moto
export let raw: SSMClient
export let store: ParameterStore
export const calls: string[] = []
/** What happens to each call of the store, if it is not just made. */
export const faults: { each?: Fault | undefined } = {}

beforeAll(async () => {
  if (!bin) return
  moto = await startMoto(bin)
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const options = { endpoint: moto.url, region: 'eu-west-1', credentials, maxAttempts: 1 }
  raw = new SSMClient(options)
  const client = new SSMClient(options)
  const send = client.send.bind(client) as unknown as Send
  const faulty: Send = command => {
    const action = command.constructor.name.replace('Command', '')
    calls.push(action)
    const call = () => send(command)
    return faults.each ? faults.each(action, call, command.input) : call()
  }
  client.send = faulty as never
  store = new ParameterStore(client)
})
afterAll(() => moto?.stop())
beforeEach(() => {
  calls.length = 0
  faults.each = undefined
})

export const value = (password: string) => credential(password).serialize()
export const put = (Name: string, input: Partial<PutParameterCommandInput>) =>
  raw.send(new PutParameterCommand({ Name, Value: value('first'), Type: 'SecureString', ...input }))
export const overwrite = (id: string, password: string) =>
  put(id, { Value: value(password), Overwrite: true })
export const label = (Name: string, ParameterVersion: number, ...Labels: string[]) =>
  raw.send(new LabelParameterVersionCommand({ Name, ParameterVersion, Labels }))

/** A parameter that somebody made by hand: version 1, without labels. */
export async function parameter(input: Partial<PutParameterCommandInput> = {}): Promise<string> {
  const id = `/shop/${randomUUID()}`
  await put(id, input)
  return id
}

/** The same, with a rotation under way. */
export async function pending(input: Partial<PutParameterCommandInput> = {}) {
  const [id, token] = [await parameter(input), randomUUID()]
  await store.propose(id, token, credential('next'))
  return { id, token }
}

export async function history(id: string): Promise<ParameterHistory[]> {
  const entries: ParameterHistory[] = []
  for (let NextToken: string | undefined; ; ) {
    const query = { Name: id, WithDecryption: true, NextToken }
    const page = await raw.send(new GetParameterHistoryCommand(query))
    entries.push(...(page.Parameters ?? []))
    NextToken = page.NextToken
    if (!NextToken) return entries
  }
}
export const passwords = async (id: string) =>
  (await history(id)).map(({ Value = '' }) => JSON.parse(Value).password)
export const beside = async (id: string) => {
  const query = { Path: `/keyturn/pending${id}`, WithDecryption: true }
  return (await raw.send(new GetParametersByPathCommand(query))).Parameters ?? []
}

/** The first call of `action` is `done` instead. */
export function once(action: string, done: Fault): void {
  let over = false
  faults.each = (name, call, input) => {
    if (over || name !== action) return call()
    over = true
    return done(name, call, input)
  }
}
export const refusal = (name: string, message = name) =>
  Object.assign(new Error(message), { name, $fault: 'client', $metadata: { requestId: 'r' } })
