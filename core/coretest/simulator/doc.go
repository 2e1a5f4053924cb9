// Package simulator decides whether what was promised to be durable survives: it
// runs a journal over a simulated disk, cuts the power and makes calls fail where a
// seed says, and compares.
package simulator

// dir is the folder of every journal on its simulated disk.
const dir = "data"
