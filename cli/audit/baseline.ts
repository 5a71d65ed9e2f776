import * as v from 'valibot'
import type { Report } from '../../fleet/audit/report.ts'
import { reportSchema } from '../../fleet/audit/reportSchema.ts'
import { CommandError, exit } from '../exit.ts'
import { textOf } from '../files.ts'
import { plain } from '../output.ts'

/** Bytes of a report: that of 10,000 credentials has a tenth of it. */
const LARGEST = 256 * 1024 * 1024

/** An earlier report, as --json printed it. @throws CommandError if the file holds none */
export async function baselineIn(path: string): Promise<Report> {
  const text = await textOf(path, '--baseline', LARGEST)
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), reportSchema), text, { abortEarly: true })
  if (result.success) return result.output
  throw new CommandError(
    exit.usage,
    `--baseline ${plain(path)}: it is no report of keyturn audit --json (${plain(v.getDotPath(result.issues[0]) ?? 'its form')})`,
    'Name a file that `keyturn audit --json` of this version has printed.',
  )
}

/** @throws CommandError if a report is of another account or stage, so that everything would be new */
export function refuseOther(baseline: Report, { account, stage }: Pick<Report, 'account' | 'stage'>): void {
  if (baseline.account === account && baseline.stage === stage) return
  throw new CommandError(
    exit.usage,
    `the baseline is of the account ${plain(baseline.account)} and the stage ${plain(baseline.stage)}, and this audit is not`,
    'Name a report of the same account and stage.',
  )
}
