import { Clients } from './clients.ts'
import { Output, type OutputStream } from './output.ts'

/** Where a command reads an answer: process.stdin, or the stream of a test. */
export type TerminalInput = NodeJS.ReadableStream & { isTTY?: boolean | undefined }

/** The options that every command has, as the command line gave them. */
export type GlobalOptions = { stage?: string; profile?: string; region?: string; json?: boolean }

/** What every command gets: its global options, the clients of AWS and the streams it reads and writes. */
export type Context = {
  /** The stage of --stage or KEYTURN_STAGE, if either is set. */
  stage: string | undefined
  /** Whether the command prints its result as one JSON document. */
  json: boolean
  clients: Clients
  output: Output
  /** Where a command reads answers, and where it writes its questions. */
  terminal: { input: TerminalInput; questions: NodeJS.WritableStream }
}

type ProcessStreams = {
  stdin: TerminalInput
  stdout: OutputStream
  stderr: OutputStream & NodeJS.WritableStream
}

/** Makes the context of a command from its options, the streams of its process and the environment. */
export function makeContext(
  { stage, profile, region, json = false }: GlobalOptions,
  streams: ProcessStreams,
  env: NodeJS.ProcessEnv,
): Context {
  return {
    stage: stage ?? (env.KEYTURN_STAGE || undefined),
    json,
    clients: new Clients({ profile, region }),
    output: new Output(streams.stdout, streams.stderr, env),
    terminal: {
      // A getter: process.stdin is opened when it is first used, and only a command that asks something uses it.
      get input() {
        return streams.stdin
      },
      questions: streams.stderr,
    },
  }
}
