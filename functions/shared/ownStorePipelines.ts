import { parseEnvironment } from './environment.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'
import { StorePipelines } from './storePipelines.ts'

/** The pipelines of a function that connects to no database, one for each store, made from its environment. */
export const storePipelines = new StorePipelines(parseEnvironment(process.env), {
  requestHandler: REQUEST_TIMEOUTS,
})
