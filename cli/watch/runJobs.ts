import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit.ts'

/** Prints a line of progress; `state` is the state that the job is in from now on. */
export type Say = (line: string, state?: string) => void

/** Work that takes a while. */
type Job<T> = { name: string; run(say: Say): Promise<T> }
/** How a job ended: `says` in a few words. */
type JobOutcome = { code: ExitCode; says: string }

/**
 * Runs jobs at the same time and shows their progress: on a terminal in place, in a pipe as lines, with --json not at all.
 * @returns the outcomes, in the order of the jobs
 */
export async function runJobs<T extends JobOutcome>(context: Context, jobs: Job<T>[]): Promise<T[]> {
  if (context.json) return Promise.all(jobs.map(job => job.run(() => {})))
  if (context.output.isInteractive) return runInPlace(context, jobs)
  return Promise.all(jobs.map(job => runInLines(context, job)))
}

async function runInLines<T extends JobOutcome>({ output }: Context, { name, run }: Job<T>): Promise<T> {
  const say = (line: string) => output.line(`${new Date().toISOString().slice(11, 19)} ${name}: ${line}`)
  const outcome = await run(say)
  // The caller prints a failure on stderr.
  if (outcome.code === EXIT.done) say(outcome.says)
  return outcome
}

/** Up to this many jobs show all their lines. If there are more, each shows only its last line, so that all fit on the screen. */
const MAX_FULL_JOB_COUNT = 2

/** Runs jobs on a terminal: each has a title that changes, with its lines under it. */
async function runInPlace<T extends JobOutcome>({ output }: Context, jobs: Job<T>[]): Promise<T[]> {
  const { Listr } = await import('listr2')
  const outcomes: T[] = []
  const tasks = jobs.map(({ name, run }, n) => ({
    title: name,
    task: async (_: unknown, task: { title: string; output: string }) => {
      const outcome = await run((line, state) => {
        if (state) task.title = `${name}: ${state}`
        task.output = line
      })
      outcomes[n] = outcome
      task.title = `${name}: ${outcome.says}`
      if (outcome.code !== EXIT.done) throw new Error(outcome.says)
    },
    rendererOptions: {
      outputBar: jobs.length > MAX_FULL_JOB_COUNT ? 1 : Number.POSITIVE_INFINITY,
      persistentOutput: true,
    },
  }))
  const list = new Listr(tasks, {
    concurrent: true,
    exitOnError: false,
    // The command handles Ctrl-C itself: listr2 would end the process.
    registerSignalListeners: false,
    rendererOptions: { showErrorMessage: false, collapseErrors: false },
  })
  await list.run()
  output.line()
  return outcomes
}
