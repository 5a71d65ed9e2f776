import { Clients } from './clients.ts'
import { Output, type OutputStream } from './output.ts'

/** Where a command reads an answer: process.stdin, or a test's. */
export type TerminalInput = NodeJS.ReadableStream & { isTTY?: boolean | undefined }

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
  /** Where somebody answers, and where the questions are put. */
  terminal: { input: TerminalInput; questions: NodeJS.WritableStream }
}

type ProcessStreams = {
  stdin: TerminalInput
  stdout: OutputStream
  stderr: OutputStream & NodeJS.WritableStream
}

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
      // It is opened only by whoever asks something.
      get input() {
        return streams.stdin
      },
      questions: streams.stderr,
    },
  }
}
