import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { Application, type StoredValue } from './client/application.ts'
import { type Proof, proveRotated, proveUnchanged, sayProofs } from './client/proofs.ts'
import type { ValueStore } from './client/valueStores.ts'
import { runCommand } from './prerequisites.ts'
import { Progress } from './progress.ts'
import { say } from './say.ts'
import { formatPasswordLine, PASSWORD_FILE } from './sql.ts'
import { type Deployed, findLeaks, projectFolder, startDeployed } from './stack/deployed.ts'
import { prepareMachine } from './stack/prepare.ts'

// The path of a Unix socket may have about 100 bytes only (https://nodejs.org/api/net.html), so it is relative to this folder.
process.chdir(projectFolder)
/** A Unix socket on which a running `npm run local` listens. A connection to it asks that run to stop. */
const SOCKET_PATH = '.local/serve.sock'

/**
 * Asks the `npm run local` of this folder to stop, and waits until it has. One that still starts stops once it is up.
 * @returns false if none runs
 */
async function stopRunningStack(): Promise<boolean> {
  const connection = connect(SOCKET_PATH).resume()
  try {
    await once(connection, 'connect')
    await once(connection, 'close')
    return true
  } catch {
    return false
  }
}

/** Stops the `npm run local` that uses this folder, if there is one, and takes its place: the folder's files serve one run only. */
async function claimFolder(): Promise<Server> {
  mkdirSync('.local', { recursive: true })
  for (;;) {
    const server = createServer().listen(SOCKET_PATH)
    try {
      await once(server, 'listening')
      return server
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      if (await stopRunningStack()) say('Stopped the run that was here before.')
      // The socket was left by a run that was killed.
      else rmSync(SOCKET_PATH, { force: true })
    }
  }
}

/** One rotation that is run after the deployment, and what must come of it. */
type DeployedScene = {
  title: string
  valueStore: ValueStore
  /** ARN of the secret, or name of the parameter. */
  id: string
  expectedStatus: 'SUCCEEDED' | 'FAILED'
  /** Detail type of the one event that the execution puts on the bus. */
  expectedAnnouncement: string
  /** Proves what must be true afterwards. `before` is the current value from before the rotation. */
  prove(application: Application, before: StoredValue): Promise<Proof[]>
}

async function makeScenes({ users, secrets, parameters }: Deployed): Promise<DeployedScene[]> {
  const admin = await users.makeAdmin('master')
  const succeeds = {
    expectedStatus: 'SUCCEEDED' as const,
    expectedAnnouncement: 'Credential Rotated',
    prove: proveRotated,
  }
  return [
    { ...succeeds, title: 'Single user', valueStore: secrets, id: await users.enrol('shop') },
    {
      ...succeeds,
      title: 'Single user, in Parameter Store',
      valueStore: parameters,
      id: await users.enrol('cart', { valueStore: parameters }),
    },
    {
      ...succeeds,
      title: 'Alternating users, with a grace time of one second',
      valueStore: secrets,
      id: await users.enrol('billing', { admin, tags: { 'keyturn:grace': '1s' } }),
    },
    {
      title: 'A rotation whose test fails with the new password alone, after that was set',
      valueStore: secrets,
      id: await users.enrol('orders', { failsOnceChanged: true }),
      expectedStatus: 'FAILED',
      expectedAnnouncement: 'Credential Rotation Failed',
      prove: proveUnchanged,
    },
  ]
}

/** Runs one rotation and prints its proofs and, if it had to fail, its alarm. @returns true if all was as expected */
async function play(
  { title, valueStore, id, expectedStatus, ...scene }: DeployedScene,
  deployed: Deployed,
): Promise<boolean> {
  const application = new Application(valueStore, id, deployed.postgres.caFile)
  const before = (await application.read()) as StoredValue
  const began = performance.now()
  const { executionArn = '', status, cause } = await deployed.rotate(id, valueStore)
  say(`\n${title}: ${status} after ${Math.round(performance.now() - began)} ms`)
  if (cause) say(`   ${cause}`)
  const announced = (await deployed.waitForAnnouncements(executionArn)).map(event => event['detail-type'])
  const proofs: Proof[] = [
    [`the execution ended as it should: ${expectedStatus}`, status === expectedStatus],
    ...(await scene.prove(application, before)),
    [
      `the event "${scene.expectedAnnouncement}" arrived, once`,
      `${announced}` === scene.expectedAnnouncement,
    ],
  ]
  if (expectedStatus === 'SUCCEEDED') return sayProofs(proofs)
  const [alarm] = await deployed.waitForAlarms(executionArn)
  const holds = sayProofs([...proofs, ['an alarm arrived', alarm !== undefined]])
  if (alarm) say(`\n   ${alarm.Subject}\n\n${alarm.Message.trim().replaceAll(/^(?=.)/gm, '   ')}`)
  return holds
}

/** The name of a secret. Its ARN ends with the name, a hyphen and six random characters. */
const secretNameIn = (arn = '') => arn.split(':').at(-1)?.slice(0, -7)

async function sayWhatToTry(deployed: Deployed, scenes: DeployedScene[]): Promise<void> {
  const { env, stateMachineArn, queueUrls, logFile } = deployed
  const variables = Object.entries(env).map(([name, value]) => `  export ${name}=${value}`)
  const [secret, parameter] = ['secrets-manager', 'parameter-store'].map(
    wanted => scenes.find(({ valueStore }) => valueStore.store === wanted)?.id,
  )
  // Version 1 of the AWS CLI does not take the endpoint of SQS from the environment.
  const receive = `aws sqs receive-message --endpoint-url ${env.AWS_ENDPOINT_URL} --queue-url`
  const { host, port, superuser } = deployed.postgres
  const [unmanaged, adminOfUnmanaged] = ['newcomer', 'dba'].map(user => deployed.users.nameOf(user))
  const connection = `host=${host} port=${port} user=${superuser.user} dbname=postgres sslmode=verify-ca sslrootcert=.local/ca.pem`
  say(`
It stays up until Ctrl-C or \`npm run local:stop\`. In another terminal:

${variables.join('\n')}
  npx keyturn enrol secret:${unmanaged} --strategy alternating-users --admin secret:${adminOfUnmanaged} --every 30d
  npx keyturn check secret:${unmanaged}
  npx keyturn unenrol secret:${unmanaged}
  npx keyturn rotate secret:${secretNameIn(secret)} parameter:${parameter}
  npx keyturn status
  npx keyturn history secret:${secretNameIn(secret)} --last
  npx keyturn events
  npx keyturn audit --html .local/audit.html
  npx keyturn cost --reads-per-day 100
  npx keyturn doctor
  aws ssm add-tags-to-resource --resource-type Parameter --resource-id ${parameter} --tags Key=keyturn:every,Value=1m
  npx keyturn rotate --all-due
  aws stepfunctions start-execution --state-machine-arn ${stateMachineArn} --input '${JSON.stringify({ store: 'secrets-manager', id: secret })}'
  aws secretsmanager get-secret-value --secret-id ${secret}
  aws secretsmanager rotate-secret --secret-id ${secret} --rotation-lambda-arn ${await deployed.readOutput('RotateSecretFunctionArn')} --rotation-rules 'ScheduleExpression=rate(10 days)'
  aws ssm get-parameter --with-decryption --name /aws/reference/secretsmanager/${secretNameIn(secret)}
  aws ssm get-parameter --with-decryption --name ${parameter}
  ${receive} ${queueUrls.announcements}
  ${receive} ${queueUrls.alarms}
  aws logs filter-log-events --log-group-name /aws/lambda/keyturn-local-setSecret
  npx serverless deploy --stage local --param=caFile=.local/ca.pem

In the database, as its superuser, ${superuser.user}, whose password is in ${PASSWORD_FILE}:

  npm run local:sql -- "select usename, valuntil from pg_user"
  PGPASSFILE=${PASSWORD_FILE} psql "${connection}"
`)
  if (logFile) say(`MiniStack's own log: ${logFile}`)
}

/** Deploys the stack, runs the rotations and says what to try; then waits until it is to stop. */
async function serve(): Promise<void> {
  say('Deploying Keyturn on this machine.')
  const progress = new Progress(say)
  const tell = (step: string) => progress.begin(step)
  // This comes before a run that uses this folder is stopped, so that a missing prerequisite leaves that run alone.
  await prepareMachine(tell)
  const server = await claimFolder()
  // Whoever asks this run to stop stays connected until this process ends.
  const stopAsked = once(server, 'connection')
  const deployed = (await startDeployed({ tell })) as Deployed
  progress.end()
  const { host, port, superuser } = deployed.postgres
  writeFileSync(PASSWORD_FILE, formatPasswordLine(host, port, superuser.user, superuser.password), {
    mode: 0o600,
  })
  try {
    say(`Deployed at ${deployed.url} after ${progress.seconds} s.`)
    const scenes = await makeScenes(deployed)
    await deployed.users.makeUnmanaged('newcomer', 'dba')
    const proven: boolean[] = []
    for (const scene of scenes) proven.push(await play(scene, deployed))
    say('\nWhat AWS wrote down: execution histories, logs, events, alarms')
    proven.push(sayProofs([['no password is in it', (await findLeaks(deployed)).length === 0]]))
    if (proven.includes(false)) process.exitCode = 1
    await sayWhatToTry(deployed, scenes)
    await Promise.race([stopAsked, once(process, 'SIGINT'), once(process, 'SIGTERM')])
  } finally {
    rmSync(PASSWORD_FILE, { force: true })
    await deployed.stop()
    server.close()
  }
}

if (process.argv[2] === 'stop') say((await stopRunningStack()) ? 'Stopped.' : 'Nothing runs here.')
else {
  await runCommand(serve)
  // `npm run local:stop` waits until this process has ended.
  process.exit()
}
