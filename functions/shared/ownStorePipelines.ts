import { parseEnvironment } from './environment.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'
import { StorePipelines } from './storePipelines.ts'

/** The pipelines of a function that asks no database, as its environment says. */
export const storePipelines = new StorePipelines(parseEnvironment(process.env), {
  requestHandler: REQUEST_TIMEOUTS,
})
