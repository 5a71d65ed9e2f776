import { Clients } from '../../cli/clients.ts'

/** What a service answers, by the name of the call. */
type Answers = Record<string, (input: never) => object>

type Next = (args: { input: never }) => Promise<unknown>
type Marked = {
  config: { signingName?: string; defaultSigningName?: string }
  middlewareStack: { add(middleware: never, options: never): void }
}

/** What IAM calls a service, where its signature has another name. */
const inPolicies: Record<string, string> = { tagging: 'tag', monitoring: 'cloudwatch' }

/**
 * The clients of AWS, each of whose calls is written down in `calls` as a policy has it, such as `ssm:DescribeParameters`. A call
 * that is among `answers` gets no further.
 */
export function recordedClients(region: string, calls: Set<string>, answers: Answers): Clients {
  const watched = new WeakSet<object>()
  const watch = (client: Marked) => {
    if (watched.has(client)) return client
    watched.add(client)
    const { signingName, defaultSigningName } = client.config
    const service = signingName ?? defaultSigningName ?? ''
    const record = (next: Next, { commandName = '' }) => {
      const action = commandName.replace(/Command$/, '')
      return async (args: { input: never }) => {
        calls.add(`${inPolicies[service] ?? service}:${action}`)
        const answer = answers[action]?.(args.input)
        return answer ? { output: { $metadata: {}, ...answer } } : next(args)
      }
    }
    client.middlewareStack.add(record as never, { step: 'initialize', name: 'record' } as never)
    return client
  }
  const over = (clients: Clients): Clients =>
    new Proxy(clients, {
      get(target, name) {
        if (name === 'forRegion') return (elsewhere: string) => over(target.forRegion(elsewhere))
        const make = target[name as 'secrets']
        return async () => watch((await make()) as never)
      },
    })
  return over(new Clients({ region }))
}
