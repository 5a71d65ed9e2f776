import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit.ts'

/** Tells what goes on, in a line; `state` is what it is at from now on. */
export type Say = (line: string, state?: string) => void

/** Something that takes its time, and how it ended: `says` in a few words. */
type Job<T> = { name: string; run(say: Say): Promise<T> }
type JobOutcome = { code: ExitCode; says: string }

/** Runs jobs at once and shows how they go: in place on a terminal, in lines elsewhere, not at all for a program. */
export async function runJobs<T extends JobOutcome>(context: Context, jobs: Job<T>[]): Promise<T[]> {
  if (context.json) return Promise.all(jobs.map(job => job.run(() => {})))
  if (context.output.isInteractive) return runInPlace(context, jobs)
  return Promise.all(jobs.map(job => runInLines(context, job)))
}

async function runInLines<T extends JobOutcome>({ output }: Context, { name, run }: Job<T>): Promise<T> {
  const say = (line: string) => output.line(`${new Date().toISOString().slice(11, 19)} ${name}: ${line}`)
  const ended = await run(say)
  // What went wrong is told on stderr.
  if (ended.code === EXIT.done) say(ended.says)
  return ended
}

/** So many jobs show all that has gone by; of more, each shows the last of it, as a terminal has an end. */
const MAX_FULL_JOB_COUNT = 2

/** Each job is a line that changes, with what has gone by under it. */
async function runInPlace<T extends JobOutcome>({ output }: Context, jobs: Job<T>[]): Promise<T[]> {
  const { Listr } = await import('listr2')
  const ended: T[] = []
  const tasks = jobs.map(({ name, run }, n) => ({
    title: name,
    task: async (_: unknown, task: { title: string; output: string }) => {
      const outcome = await run((line, state) => {
        if (state) task.title = `${name}: ${state}`
        task.output = line
      })
      ended[n] = outcome
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
    // Ctrl-C is ours: what was begun goes on.
    registerSignalListeners: false,
    rendererOptions: { showErrorMessage: false, collapseErrors: false },
  })
  await list.run()
  output.line()
  return ended
}
