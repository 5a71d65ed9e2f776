import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SSMClient } from '@aws-sdk/client-ssm'
import { build } from 'esbuild'
import { startEmbedded } from '../../local/embedded/embedded.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { startMoto } from '../support/moto.ts'
import { playScenarios } from './scenarios.ts'

/**
 * Records this release's state machines, parsers and executions for the tests of the next release. Run it when a release is
 * made. Names that are added later are listed in names.json with the release that adds them.
 */
const folder = new URL('./last/', import.meta.url)
mkdirSync(folder, { recursive: true })
for (const name of ['rotate', 'rotate-due', 'rotate-server'])
  copyFileSync(
    new URL(`../../statemachines/${name}.asl.json`, import.meta.url),
    new URL(`${name}.asl.json`, folder),
  )
// Only the parsers are bundled. Packages of npm stay imports.
await build({
  entryPoints: [fileURLToPath(new URL('../../functions/shared/event.ts', import.meta.url))],
  outfile: fileURLToPath(new URL('event.mjs', folder)),
  bundle: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
})
const bin = await pythonBin()
if (!bin) throw new Error('recording needs Python')
const [embedded, moto] = await Promise.all([startEmbedded(), startMoto(bin)])
process.env.AWS_ENDPOINT_URL_SSM = moto.url
try {
  const scenarios = await playScenarios(embedded, new SSMClient())
  const lines = scenarios.map(scenario => `${JSON.stringify(scenario)}\n`)
  writeFileSync(new URL('scenarios.jsonl', folder), lines.join(''))
} finally {
  await Promise.all([embedded.stop(), moto.stop()])
}
