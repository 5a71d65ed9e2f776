import { check } from '../rotation/check/check.ts'
import type { Checked, LineState } from '../rotation/check/line.ts'
import { loadEngine } from '../rotation/engines/load.ts'
import { parseEnvironment, parseOwnEnvironment } from './shared/environment.ts'
import { checkEvent } from './shared/event.ts'
import { functionHandler, logger } from './shared/handler.ts'
import { pipelines } from './shared/ownPipelines.ts'

const { caFile, testMayWrite = false } = parseEnvironment(process.env)
const own = parseOwnEnvironment(process.env)

/** What the execution gives, and what its event tells. */
type Result = {
  checked: Checked
  event: Pick<Checked, 'store' | 'id' | 'result'> & { failed: string[]; warnings: string[] }
}

/** Says whether the rotation of a credential would go well. It changes nothing: see check. */
export const handler = functionHandler(
  'checkCredential',
  checkEvent,
  target => target,
  async (target): Promise<Result> => {
    const checked = await check(await pipelines.of(target.store), target, {
      ...own,
      testMayWrite,
      onUnexpected: error => logger.error('unexpected', { error }),
      engines: (name, onCertificate) => loadEngine[name]({ caFile, onCertificate }),
    })
    const linesThat = (state: LineState) =>
      checked.lines.filter(line => line.state === state).map(({ line }) => line)
    const { result } = checked
    return {
      checked,
      event: { ...target, result, failed: linesThat('failed'), warnings: linesThat('warning') },
    }
  },
)
