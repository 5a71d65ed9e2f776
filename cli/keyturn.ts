#!/usr/bin/env node
// The package's oldest Node; before it some of what is used is not there.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    `keyturn: it needs Node 22.13 or later, and this is ${process.versions.node}\nInstall a newer Node.\n`,
  )
  process.exit(2)
}

// Whoever read has gone, as `head` does.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    throw error
  })

const { runCommandLine } = await import('./run.ts')
process.exitCode = await runCommandLine(process.argv.slice(2))
