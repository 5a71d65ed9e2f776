import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { measuredHere } from '../machine.ts'

const execute = promisify(execFile)
const projectFolder = join(import.meta.dirname, '../..')

/** How often each call is measured. The package and the repository take turns, as a machine has slower minutes. */
const TURN_COUNT = 15

/** The measured calls: a title, and the command's arguments. */
const CALLS: [name: string, ...words: string[]][] = [
  ['`--help`: no client', '--help'],
  ['`version`: one client, one call', 'version'],
]

/** CloudFormation's answer to DescribeStacks, which is the only call of `version`. */
const STACKS_RESPONSE = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member><StackName>keyturn-prod</StackName><CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${Object.entries(
  {
    Stage: 'prod',
    Version: '0.1.0',
    RotateStateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-prod-rotate',
    RotateSecretFunctionArn: 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-prod-rotateSecret',
  },
)
  .map(([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`)
  .join('')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`

/** Milliseconds of one call, from the start of its process to the end. @throws Error if it fails */
async function timeOf(file: string, words: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now()
  const child = spawn(process.execPath, [file, ...words], { env, stdio: 'ignore' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}`)
  return performance.now() - began
}

const medianText = (times: number[]) => {
  const sorted = times.toSorted((a, b) => a - b)
  return `${Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)} (${Math.round(sorted[0] ?? 0)} at least)`
}

const sumBytesIn = async (folder: string) => {
  const files = await readdir(folder)
  const sizes = await Promise.all(files.map(async name => (await stat(join(folder, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

const folder = await mkdtemp(join(tmpdir(), 'keyturn-command-'))
const server = createServer((_, outgoing) => void outgoing.end(STACKS_RESPONSE)).listen(0, '127.0.0.1')
try {
  await once(server, 'listening')
  const packed = await execute(process.execPath, [join(projectFolder, 'scripts/pack.ts'), folder])
  const tarball = packed.stdout.trim()
  await execute('tar', ['-xzf', tarball, '-C', folder])
  const bundle = join(folder, 'package/bin/keyturn.js')
  const ways = [
    ['the package', bundle],
    ['the repository', join(projectFolder, 'cli/keyturn.ts')],
  ] as const
  const env = {
    HOME: folder,
    PATH: process.env.PATH,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  }
  const times = ways.map(() => CALLS.map((): number[] => []))
  // The first turn is not counted: it fills the machine's caches.
  for (let turn = 0; turn <= TURN_COUNT; turn++)
    for (const [way, [, file]] of ways.entries())
      for (const [call, [, ...words]] of CALLS.entries()) {
        const time = await timeOf(file, words, env)
        if (turn) times[way]?.[call]?.push(time)
      }
  const results = [
    '# How large the command is',
    '',
    'Written by `npm run bench:command`; do not edit. [TIMES.md](TIMES.md) says what a call takes.',
    '',
    `The package has ${(await stat(tarball)).size} bytes, and the code in it, unpacked, ${await sumBytesIn(dirname(bundle))}.`,
    '',
  ]
  const lines = [
    '# What a call of the command takes',
    '',
    'Written by `npm run bench:command`, beside [RESULTS.md](RESULTS.md); do not edit.',
    '',
    measuredHere(),
    '',
    'Milliseconds from the start of the process to its end, against a server on the same machine that answers at once: the',
    `median of ${TURN_COUNT} turns, and the shortest. The package is what \`npm run pack:cli\` makes; the repository is cli/keyturn.ts.`,
    '',
    `| call | ${ways.map(([name]) => name).join(' | ')} |`,
    `| --- | ${ways.map(() => '---').join(' | ')} |`,
    ...CALLS.map(
      ([name], call) => `| ${name} | ${times.map(way => medianText(way[call] ?? [])).join(' | ')} |`,
    ),
    '',
  ]
  await writeFile(join(import.meta.dirname, 'RESULTS.md'), results.join('\n'))
  await writeFile(join(import.meta.dirname, 'TIMES.md'), lines.join('\n'))
  console.log([...results, ...lines].join('\n'))
} finally {
  server.close()
  server.closeAllConnections()
  await rm(folder, { recursive: true, force: true })
}
