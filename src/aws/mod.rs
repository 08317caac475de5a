//! What every AWS adapter needs: credentials and endpoint, pace, AWS's clock, errors.
