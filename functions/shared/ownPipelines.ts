import { parseEnvironment } from './environment.ts'
import { Pipelines } from './pipelines.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** The pipelines of a function that connects to databases, one for each store, made from its environment. */
export const pipelines = new Pipelines(parseEnvironment(process.env), { requestHandler: REQUEST_TIMEOUTS })
