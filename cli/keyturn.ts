#!/usr/bin/env node
// The oldest Node that the package supports. Checked before anything else is loaded, as older ones cannot load all of it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    `keyturn: it needs Node 22.13 or later, and this is ${process.versions.node}\nInstall a newer Node.\n`,
  )
  process.exit(2)
}

// EPIPE: the reader of a pipe has closed it, as `head` does once it has its lines. Then the command ends in silence.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    throw error
  })

const { runCommandLine } = await import('./run.ts')
process.exitCode = await runCommandLine(process.argv.slice(2))
