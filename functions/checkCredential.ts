import { checkCredential } from '../rotation/check/check.ts'
import type { CheckLineState, CheckResult } from '../rotation/check/line.ts'
import { engineLoaders } from '../rotation/engines/engineLoaders.ts'
import { parseCheckEvent } from './shared/checkEvent.ts'
import { parseEnvironment, parseOwnershipEnvironment } from './shared/environment.ts'
import { functionHandler } from './shared/handler.ts'
import { logger } from './shared/logger.ts'
import { pipelines } from './shared/ownPipelines.ts'

const { caFile, testMayWrite = false } = parseEnvironment(process.env)
const own = parseOwnershipEnvironment(process.env)

/** `checked` becomes the output of the execution. Of `event` the execution makes the detail of its announcement. */
type Result = {
  checked: CheckResult
  event: Pick<CheckResult, 'store' | 'id' | 'result'> & { failed: string[]; warnings: string[] }
}

/** Checks whether a rotation of a credential would succeed, and changes nothing. rotation/check/ has the checks. */
export const handler = functionHandler(
  'checkCredential',
  parseCheckEvent,
  target => target,
  async (target): Promise<Result> => {
    const checked = await checkCredential(await pipelines.of(target.store), target, {
      ...own,
      testMayWrite,
      onUnexpected: error => logger.error('unexpected', { error }),
      loadCheckEngine: (name, onCertificate) => engineLoaders[name]({ caFile, onCertificate }),
    })
    const linesThat = (state: CheckLineState) =>
      checked.lines.filter(line => line.state === state).map(({ line }) => line)
    const { result } = checked
    return {
      checked,
      event: { ...target, result, failed: linesThat('failed'), warnings: linesThat('warning') },
    }
  },
)
