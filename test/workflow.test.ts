import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { makePython, pythonBin } from '../local/stack/python.ts'

const project = join(import.meta.dirname, '..')
const ZIZMOR = 'zizmor==1.32.0\n'

test.skipIf(!(await pythonBin()))('zizmor finds nothing in .github', async () => {
  const zizmor = join(await makePython(ZIZMOR), 'zizmor')
  const options = ['--offline', '--no-progress', '--persona', 'auditor']
  const { stdout } = await promisify(execFile)(zizmor, [...options, '.github'], { cwd: project })
  expect(stdout).toContain('No findings to report')
})
