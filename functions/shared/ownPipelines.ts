import { parseEnvironment } from './environment.ts'
import { Pipelines } from './pipelines.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** The pipelines of this function, as its environment says. */
export const pipelines = new Pipelines(parseEnvironment(process.env), { requestHandler: REQUEST_TIMEOUTS })
