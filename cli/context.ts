import { Clients } from './clients.ts'
import { Output, type Stream } from './output.ts'

/** The options that every command has. */
export type GlobalOptions = { stage?: string; profile?: string; region?: string; json?: boolean }

/** What a command works with. */
export type Context = {
  /** The stage that was named, if one was. */
  stage: string | undefined
  /** Whether the result is to be one JSON document. */
  json: boolean
  clients: Clients
  output: Output
}

type Streams = { stdout: Stream; stderr: Stream }

export function contextOf(
  { stage, profile, region, json = false }: GlobalOptions,
  { stdout, stderr }: Streams,
  env: NodeJS.ProcessEnv,
): Context {
  return {
    stage: stage ?? (env.KEYTURN_STAGE || undefined),
    json,
    clients: new Clients({ profile, region }),
    output: new Output(stdout, stderr, env),
  }
}
